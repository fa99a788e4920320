"""Which code earned what, and how sure that is: the formulas, the folds over the index, and what is shown of them."""
