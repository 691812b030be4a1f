"""Delta tables: their names and schemas, and how a range of days is read and replaced."""
