-- Late is what passengers are told is late: more than 15 minutes after plan.
SELECT flight_id, (arr_delay > 15)::INTEGER AS label, known_at
FROM movements
WHERE arr_delay IS NOT NULL
