"""The ports' two sets of adapters: `google` on Google's clients, `embedded` on Python alone."""
