"""How the miniature checkpoints of the CLIP layout are made; run by ``scripts/train_minis.py``."""
