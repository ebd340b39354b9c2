"""The models that ship with the package: trained, measured, written with a card."""
