"""The shape of data: msgspec structs at the edge, pandera models in the lake."""
