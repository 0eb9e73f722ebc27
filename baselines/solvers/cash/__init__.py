"""The exact optimum of the cash problem, and its optimum in hindsight."""
