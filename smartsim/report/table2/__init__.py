"""TRACES x PUBLISHED x MEASURED -> TABLE 2: the comparison of methods as one record of rows."""
