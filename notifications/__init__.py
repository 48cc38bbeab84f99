"""What the user is told while nobody watches: notices by Apprise, and signs of life to an outside dead-man switch.

`notices` is what any room may say, in one line; the rest runs in threads of its own on wall time. An address that
does not answer costs notices, never time.
"""
