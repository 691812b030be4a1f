"""The Feast repository: the online views as Feast objects, and the one way to write them."""
