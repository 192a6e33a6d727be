"""What a network costs on silicon: machines are data, families are arithmetic, components carry their citations."""
