-- One row a planned flight: it is predicted at midnight (UTC) of its local day, when its plan is twelve hours old.
WITH planned AS (
    SELECT *, timezone('UTC', timezone('America/New_York', scheduled_departure)::DATE::TIMESTAMP) AS prediction_time
    FROM schedules
)
SELECT flight_id, carrier, origin, dest, tailnum, prediction_time
FROM planned
WHERE prediction_time >= $interval_start AND prediction_time < $interval_end
