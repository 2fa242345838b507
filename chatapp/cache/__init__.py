"""What is answered without asking again. Every key begins with the tenant, and holds all that an answer depends on.

`single_flight` joins requests that are the same at the same moment. Deciding whether a turn may have another's answer
is `pipeline`; who may read what is decided before, and stands in the key through the sources in the prompt.
"""
