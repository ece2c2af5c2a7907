"""Statistics of columns over silos: counts, means, variances, histograms, quantiles, and what is withheld of them."""
