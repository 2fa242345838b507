"""What happens when something breaks while it is used: processes killed, providers failing, servers away."""
