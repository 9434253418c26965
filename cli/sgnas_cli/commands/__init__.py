"""One file a command: parse, call the toolchain, print. Heavy imports are inside the bodies."""
