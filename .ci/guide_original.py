"""What the guide that this one replaces told its readers to type, with its comments; only `cd` has gone."""

ORIGINAL = [
    ["cargo run -p harness -- images"],
    ["docker-compose up -d", "docker-compose logs -f", "docker-compose ps", "READY"],
    [
        """curl -X POST http://localhost:8081/api/orders \\
  -H "Content-Type: application/json" \\
  -d '{
    "orderId": "order-001",
    "customerId": "customer-123",
    "amount": 99.99
  }'""",
        """until docker-compose logs cluster-node-2 | grep -q "order-001"; do sleep 1; done""",
        """docker-compose logs cluster-node-2 | grep "order-001\"""",
    ],
    [
        """for i in {1..10}; do
  PORT=$((8080 + (i % 3) + 1))
  curl -X POST http://localhost:$PORT/api/orders \\
    -H "Content-Type: application/json" \\
    -d "{\\"orderId\\": \\"order-$i\\", \\"customerId\\": \\"customer-123\\", \\"amount\\": 100.0}"
  echo " -> Node $(($PORT - 8080))"
done""",
    ],
    [
        "curl http://localhost:8081/health",
        "curl http://localhost:8222/healthz",
        "docker-compose exec redis redis-cli ping",
    ],
    ["docker-compose exec nats sh", "nats stream ls", "nats stream info CATGA_CLUSTER", "nats consumer ls CATGA_CLUSTER"],
    ["docker-compose exec redis redis-cli", "KEYS catga:outbox:*", "KEYS catga:inbox:*", "KEYS catga:idempotency:*"],
    [
        "docker-compose stop cluster-node-2",
        "curl http://localhost:8081/health",
        "curl http://localhost:8083/health",
        "docker-compose start cluster-node-2",
        "READY",
    ],
    ["docker-compose logs", "docker-compose logs cluster-node-1", "docker-compose logs nats", "docker-compose logs redis"],
    ["docker-compose exec cluster-node-1 /bin/sh"],
    ["docker-compose exec nats sh"],
    ["docker-compose exec redis sh"],
    ["docker-compose ps", "docker-compose restart nats redis", "READY"],
    ["docker-compose exec nats nats account info", "docker-compose exec nats nats stream info CATGA_CLUSTER"],
    ["docker-compose exec redis redis-cli", "KEYS catga:outbox:pending:*", "HGETALL catga:outbox:pending:message-id"],
    [
        """hey -n 10000 -c 100 -m POST \\
  -H "Content-Type: application/json" \\
  -d '{"orderId":"order-test","customerId":"customer-123","amount":100.0}' \\
  http://localhost:8081/api/orders""",
        """for i in {8081..8083}; do
  echo "Testing node at port $i..."
  hey -n 1000 -c 50 \\
    -m POST \\
    -H "Content-Type: application/json" \\
    -d '{"orderId":"order-test","customerId":"customer-123","amount":100.0}' \\
    http://localhost:$i/api/orders
done""",
    ],
    # The one change that the original itself asks for: the service gives up its fixed port.
    ["CATGA_NODE_1_PORT= docker-compose up -d --scale cluster-node-1=5", "docker-compose down"],
    ["docker-compose up -d", "docker-compose down"],
    # Where there is no volume to remove, this says so and fails; so it comes before those that remove them, too.
    ["docker volume ls | grep catga | awk '{print $2}' | xargs docker volume rm"],
    ["docker-compose down -v"],
    ["docker-compose down --rmi all"],
    ["docker-compose down -v --rmi all", "docker image prune -f"],
]
