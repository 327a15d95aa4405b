"""What this machine has, what a run would use of it, and how fast it is.

Nothing here imports NumPy or another package before it is looked at: a doctor who needs what is
missing could not say so.
"""
