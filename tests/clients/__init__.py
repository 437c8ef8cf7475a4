"""Client libraries of other projects on the simulated venue; the task ``clients`` runs them."""
