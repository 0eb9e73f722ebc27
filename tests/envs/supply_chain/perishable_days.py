"""Golden days of a store with goods that perish, worked out by hand.

A store without stock, lead time 1; each row is a day: order, demand, units sold, wasted and held
in the evening, and the stock of the next morning by the days that it keeps, oldest first (the
order of the day, fresh, comes last).
"""

DAYS = [
    {
        "name": "two days, oldest first",
        "store": {"shelf_life": 2, "issuing": "fifo"},
        "demand": [2, 3, 4, 1, 0, 6],
        "days": [
            (5, 2, 0, 0, 0, [0, 5]),  # nothing is there: 2 are lost
            (4, 3, 3, 0, 2, [2, 4]),  # 3 of the 5; 2 will be in their second day
            (3, 4, 4, 0, 2, [2, 3]),  # the 2 old ones and 2 of the 4
            (0, 1, 1, 1, 3, [3, 0]),  # 1 of the 2 old ones, the other expires
            (6, 0, 0, 3, 0, [0, 6]),  # the 3 expire
            (0, 6, 6, 0, 0, [0, 0]),
        ],
    },
    {
        "name": "two days, newest first",
        "store": {"shelf_life": 2, "issuing": "lifo"},
        "demand": [2, 3, 4, 1, 0, 6],
        "days": [
            (5, 2, 0, 0, 0, [0, 5]),
            (4, 3, 3, 0, 2, [2, 4]),
            (3, 4, 4, 2, 0, [0, 3]),  # the 4 new ones; the 2 old ones expire
            (0, 1, 1, 0, 2, [2, 0]),
            (6, 0, 0, 2, 0, [0, 6]),
            (0, 6, 6, 0, 0, [0, 0]),
        ],
    },
    {
        "name": "three days, oldest first",
        "store": {"shelf_life": 3, "issuing": "fifo"},
        "demand": [0, 1, 2, 3, 0, 5],
        "days": [
            (4, 0, 0, 0, 0, [0, 0, 4]),
            (3, 1, 1, 0, 3, [0, 3, 3]),
            (2, 2, 2, 0, 4, [1, 3, 2]),  # 2 of the 3 in their second day
            (5, 3, 3, 0, 3, [1, 2, 5]),  # the last of the first order, 2 of the second
            (0, 0, 0, 1, 7, [2, 5, 0]),  # the 1 left of the second order expires
            (1, 5, 5, 0, 2, [2, 0, 1]),  # the 2 in their last day, 3 of the 5
        ],
    },
    {
        "name": "three days, newest first",
        "store": {"shelf_life": 3, "issuing": "lifo"},
        "demand": [0, 1, 2, 3, 0, 5],
        "days": [
            (4, 0, 0, 0, 0, [0, 0, 4]),
            (3, 1, 1, 0, 3, [0, 3, 3]),
            (2, 2, 2, 0, 4, [3, 1, 2]),  # 2 of the 3 that are new
            (5, 3, 3, 3, 0, [0, 0, 5]),  # the 2 new ones and the 1; the 3 old ones expire
            (0, 0, 0, 0, 5, [0, 5, 0]),
            (1, 5, 5, 0, 0, [0, 0, 1]),
        ],
    },
]
