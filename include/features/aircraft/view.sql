SELECT
    tailnum,
    event_time,
    known_at,
    year AS built,
    seats::DOUBLE AS seats
FROM planes
