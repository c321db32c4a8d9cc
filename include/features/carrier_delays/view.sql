-- One row an airline and hour: event_time is the hour's start, and its end is when all of it is known.
WITH hours AS (
    SELECT unnest(generate_series($interval_start, $interval_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
)
SELECT
    carrier,
    hour AS event_time,
    hour + INTERVAL 1 HOUR AS known_at,
    avg(arr_delay) FILTER (movements.known_at >= hour - INTERVAL 23 HOUR) AS delay_24h,
    avg((arr_delay > 15)::INTEGER) FILTER (movements.known_at >= hour - INTERVAL 23 HOUR) AS late_share_24h,
    avg((arr_delay > 15)::INTEGER) AS late_share_7d
FROM hours
JOIN movements
    ON movements.known_at >= hour - INTERVAL 167 HOUR AND movements.known_at < hour + INTERVAL 1 HOUR
GROUP BY carrier, hour
