"""Wrong variants of the product, each of which the checker has to see: a harness that sees nothing proves nothing."""
