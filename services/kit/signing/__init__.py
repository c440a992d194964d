"""Which service wrote a record, shown by its signature."""
