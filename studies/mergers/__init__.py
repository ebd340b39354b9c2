"""Galaxy mergers as outliers, after Margalef-Bentabol et al. 2020, MNRAS 496, 2346."""
