"""Clients that others wrote, on the simulated venue; the task ``clients`` runs them."""
