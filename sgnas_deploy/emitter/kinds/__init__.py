"""How each kind of block becomes nodes: one file each, named as in `sgnas_deploy.blocks`."""
