"""Pure rules: no database, no HTTP."""
