SELECT flight_id, air_time AS label, known_at
FROM movements
WHERE air_time IS NOT NULL
