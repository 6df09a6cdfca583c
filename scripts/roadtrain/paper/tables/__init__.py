"""The paper's tables T1 to T6, one module each: a run's results go in, a Table comes out.

Published values stand in columns of their own. Rows that start with the recipe's name are published settings that this
run doesn't have: they are there for the comparison, with our columns empty. Begin reading with builders.py.
"""
