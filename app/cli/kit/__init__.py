"""What commands are composed of: errors, arguments, output, files. No module knows a noun."""
