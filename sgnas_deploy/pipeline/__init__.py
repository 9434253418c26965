"""What the commands call: one file a command, each with a request, a result and a function.

A request is a frozen dataclass of the command's flags in SI units; a result is a model that prints
as JSON; the function takes both a request and a reporter and raises only `SgnasError`.
"""
