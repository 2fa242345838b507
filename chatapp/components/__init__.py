"""UI that both sections use. A local React component is NAME.jsx beside its NAME.py."""
