"""Appeals: what readers see inside an article, on our own pages and on sites that are not ours."""
