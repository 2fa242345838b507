"""What `python -m chatapp` does: one module a command or a family of them.

A command reads settings, opens the lifespan where it needs it, calls a service and prints. Nothing is decided here.
"""
