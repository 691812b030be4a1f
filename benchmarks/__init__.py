"""What `make bench` runs: figures as ratios against what a user would pick instead."""
