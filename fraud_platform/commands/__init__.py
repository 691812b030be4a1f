"""What the `predictflow` commands do; each module is imported only when its command runs."""
