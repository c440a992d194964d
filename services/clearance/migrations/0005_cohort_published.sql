-- Cohorts were stored and never published. The next roster import publishes them: it is a change from none to one.
UPDATE student_case SET cohort = NULL WHERE cohort IS NOT NULL;
