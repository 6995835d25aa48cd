"""The door for programs: everything the command line does, as methods that return values and raise errors."""
