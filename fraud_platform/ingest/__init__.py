"""Landing: from files into the lake, each row exactly once, bad rows set aside."""
