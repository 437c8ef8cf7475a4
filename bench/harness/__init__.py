"""What all sections share: reports, programs, clients, orders and figures."""
