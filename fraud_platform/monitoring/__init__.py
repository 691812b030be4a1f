"""What is watched: that online and offline features agree."""
