"""How each kind of block becomes a module: one file each, named as in `sgnas_deploy.blocks`."""
