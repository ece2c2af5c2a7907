"""How each language writes dates, where Django's own way does not suit us."""
