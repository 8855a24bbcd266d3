"""One rule a file, each a pure function from a recording to findings."""
