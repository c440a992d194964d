"""Files a department imports."""
