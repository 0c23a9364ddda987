"""One file a figure: measure(ground) gives its rows."""
