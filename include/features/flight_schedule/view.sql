-- Window counts see one plan at a time: a plan is sent once, for one local day.
WITH planned AS (
    SELECT *, timezone('America/New_York', scheduled_departure) AS local_departure
    FROM schedules
)
SELECT
    flight_id,
    published_at AS event_time,
    known_at,
    carrier,
    origin,
    dest,
    (date_part('hour', local_departure) + date_part('minute', local_departure) / 60.0)::DOUBLE AS hour,
    date_part('isodow', local_departure)::DOUBLE AS weekday,
    distance,
    date_diff('minute', scheduled_departure, scheduled_arrival)::DOUBLE AS planned_minutes,
    count(*) OVER (PARTITION BY published_at, origin, date_trunc('hour', local_departure))::DOUBLE AS departures_same_hour,
    (rank() OVER (PARTITION BY published_at, origin ORDER BY local_departure) - 1)::DOUBLE AS departures_before
FROM planned
