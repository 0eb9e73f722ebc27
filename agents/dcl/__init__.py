"""Deep controlled learning: a policy learns, from roll-outs, which action is best.

From states that the current policy visits, every action is tried under common random numbers, the
current policy deciding from then on; a network learns to name the best one, and is the next
policy.

References
----------
Temizoz, Imdahl, Dijkman, Lamghari-Idrissi, van Jaarsveld (2025), Deep controlled learning for
inventory control, European Journal of Operational Research 324(1).
"""
