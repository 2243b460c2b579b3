"""Values that the operator keeps out of job data, such as keys and passwords: those in `allow.secrets` of the job type.

The host masks a secret that was asked for in the attempt's log and failure. It cannot do so in what a handler returns,
sends or keeps.
"""

from gristmill import _check, _host


def get(name: str) -> str:
    """The secret of this name, read anew by the host. `SecretError` if it may not be had, or cannot be read now."""
    return _host.current().secret(_check.text("the secret's name", name))
