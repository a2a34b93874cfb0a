"""The parts of commands: errors, arguments, output, files. No module here knows a resource."""
