"""Deep controlled learning: a policy learns, from roll-outs, which action is best.

From states that the present policy visits, every action is tried on common demand, the present
policy deciding ever after; a network learns to name the best one, and is the next present policy.

References
----------
Temizoz, Imdahl, Dijkman, Lamghari-Idrissi, van Jaarsveld (2025), Deep controlled learning for
inventory control, European Journal of Operational Research 324(1).
"""
