"""The bundled lifters' weights, and the command that lists them."""
