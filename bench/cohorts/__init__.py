"""What a cohort's size costs: the projector and the student's page over ten and a hundred times as many students."""
