"""Who may do what: keys, tokens, members, sites and what is kept secret."""
